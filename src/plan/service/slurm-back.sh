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
scontrol update NodeName="$DIAG_NODE" State=RESUME || exit 1
# `idle*`: no job comes to it before its slurmd has answered.
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
  case $(sinfo -h -N -n "$DIAG_NODE" -o %T | head -n 1) in
  *'*') sleep 1 ;;
  *) exit 0 ;;
  esac
done
echo "slurmctld waits for an answer of its slurmd"
