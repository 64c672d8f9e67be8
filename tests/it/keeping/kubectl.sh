#!/bin/sh
# A kubectl that keeps one node's books in the folder that it lies in, as an API server and its controllers keep them.
cd "$(dirname "$0")" || exit 1
verb=$1
said() { cat "$1" 2>/dev/null; }
bump() { echo $(($(said version) + 1)) > version; }
echo "$*" >> calls
case $* in *--context=lab*) ;; *) echo "no such context" >&2; exit 1 ;; esac
case $verb in
get)
  for what; do :; done
  case $what in
  *unschedulable}*resourceVersion*) printf '%s|%s|%s' "$(said off)" "$(said version)" "$(said mark)" ;;
  *unschedulable}*timeAdded*) printf '%s|%s|%s' "$(said off)" "$(said since)" "$(said mark)" ;;
  *timeAdded*) said since ;;
  esac ;;
annotate)
  for word; do
    case $word in
    --resource-version=*) [ "${word#*=}" = "$(said version)" ] || { echo "the object has been modified" >&2; exit 1; } ;;
    diag/kept-off=*) printf '%s' "${word#*=}" > mark; bump ;;
    diag/kept-off-) rm -f mark; bump ;;
    esac
  done ;;
cordon) printf true > off; bump; printf '%s' "at-$(said version)" > since ;;
uncordon) rm -f off since; bump ;;
*) exit 2 ;;
esac
