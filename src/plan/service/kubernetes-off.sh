set -u
if [ -n "$DIAG_CONTEXT" ]; then set -- --context="$DIAG_CONTEXT"; fi
ask() { what=$1; shift; kubectl get node "$DIAG_NODE" "$@" -o "jsonpath=$what"; }
before=$(ask '{.spec.unschedulable}|{.metadata.resourceVersion}|{.metadata.annotations.diag/kept-off}' "$@") || exit 1
case $before in
true*)
  why=${before#*|*|}
  echo "it is cordoned already, which stays as it is${why:+: $why}"
  exit 0 ;;
esac
version=${before#*|}
version=${version%%|*}
mark="$DIAG_CAUSE $(date -u +%Y-%m-%dT%H:%M:%SZ)"
# Refused where somebody has changed the node since it was looked at.
kubectl annotate node "$DIAG_NODE" "$@" --overwrite --resource-version="$version" "diag/kept-off=$mark" >/dev/null || exit 1
kubectl cordon "$@" "$DIAG_NODE" || exit 1
# The annotation outlives an uncordon: since when the taint stands tells this cordon from a later one.
for try in 1 2 3 4 5; do
  since=$(ask '{.spec.taints[?(@.key=="node.kubernetes.io/unschedulable")].timeAdded}' "$@")
  [ -z "$since" ] || break
  sleep 1
done
echo "diag: kept=$since|$mark"
