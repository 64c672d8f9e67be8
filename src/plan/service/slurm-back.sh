set -u
SLURM_TIME_FORMAT=standard TZ=UTC0
export SLURM_TIME_FORMAT TZ
now=$(sinfo -h -N -n "$DIAG_NODE" -o '%T|%H|%E' | head -n 1)
case $now in
'') echo "Slurm says nothing of $DIAG_NODE" >&2; exit 1 ;;
drain*|down*) ;;
*) echo "new work comes to it already"; exit 0 ;;
esac
# Reason and time are those of this case's own drain, or somebody else keeps it off now.
if [ -z "$DIAG_KEPT" ] || [ "${now#*|}" != "$DIAG_KEPT" ]; then
  echo "it stays as it is: it is not kept off by this case, but for: ${now#*|*|}" >&2
  exit 1
fi
scontrol update NodeName="$DIAG_NODE" State=RESUME
