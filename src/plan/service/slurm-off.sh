set -u
# What the controller says of it in words that no setting of whoever asks changes: state, since when, why.
SLURM_TIME_FORMAT=standard TZ=UTC0
export SLURM_TIME_FORMAT TZ
said() { sinfo -h -N -n "$DIAG_NODE" -o '%T|%H|%E' | head -n 1; }
before=$(said)
why=${before#*|*|}
case $before in
'') echo "Slurm says nothing of $DIAG_NODE" >&2; exit 1 ;;
drain*) ours=0 ;;
# Whom slurmctld does not reach is nobody's yet; whom somebody has set down is theirs.
down*) case $why in none|'Not responding'*) ours=1 ;; *) ours=0 ;; esac ;;
*) ours=1 ;;
esac
if [ "$ours" = 0 ]; then
  echo "it is kept off already, which stays as it is: $why"
  exit 0
fi
scontrol update NodeName="$DIAG_NODE" State=DRAIN Reason="diag:$DIAG_CAUSE" || exit 1
after=$(said)
echo "diag: kept=${after#*|}"
