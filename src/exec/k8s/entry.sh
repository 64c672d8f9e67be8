# First process of a pod: runs the wrapper, and prints what comes on its two streams as lines `O 1 68690a` and
# `E 1 ...` (stream, number, bytes in hex), since the log of a pod has one stream, made of lines. POSIX sh, od, mkfifo.
order=$DIAG_ORDER_0$DIAG_ORDER_1$DIAG_ORDER_2$DIAG_ORDER_3
gate=$DIAG_GATE
unset DIAG_ORDER_0 DIAG_ORDER_1 DIAG_ORDER_2 DIAG_ORDER_3 DIAG_GATE
# The wrapper ends all when its standard input does.
trap 'exec 5>&-' TERM
say() {
  number=0
  while bytes=$(dd bs=1900 count=1 2>/dev/null | od -An -v -tx1 | tr -d ' \n') && [ -n "$bytes" ]; do
    number=$((number + 1))
    echo "$1 $number $bytes"
  done
}
at=$(mktemp -d) && mkfifo "$at/in" "$at/out" "$at/err" || exit 125
say O <"$at/out" &
say E <"$at/err" &
sh -s <"$at/in" >"$at/out" 2>"$at/err" &
runner=$!
exec 5>"$at/in"
rm -rf "$at"
printf %s "$order" >&5
if [ -n "$gate" ]; then
  while [ ! -s "$gate" ] && kill -0 "$runner" 2>/dev/null; do sleep 0.2; done
  echo go >&5
fi
while kill -0 "$runner" 2>/dev/null; do wait "$runner"; done
wait
