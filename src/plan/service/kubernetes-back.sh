set -u
if [ -n "$DIAG_CONTEXT" ]; then set -- --context="$DIAG_CONTEXT"; fi
what='{.spec.unschedulable}|{.spec.taints[?(@.key=="node.kubernetes.io/unschedulable")].timeAdded}|{.metadata.annotations.diag/kept-off}'
now=$(kubectl get node "$DIAG_NODE" "$@" -o "jsonpath=$what") || exit 1
case $now in
true*) ;;
*) echo "new work comes to it already"; exit 0 ;;
esac
# Time and annotation are those of this case's own cordon, or somebody else keeps it off now.
if [ -z "$DIAG_KEPT" ] || [ "${now#*|}" != "$DIAG_KEPT" ]; then
  why=${now#*|*|}
  echo "it stays as it is: it is not kept off by this case${why:+, but for: $why}" >&2
  exit 1
fi
kubectl uncordon "$@" "$DIAG_NODE" || exit 1
kubectl annotate node "$DIAG_NODE" "$@" diag/kept-off- >/dev/null
