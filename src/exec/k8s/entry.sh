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
# A shell starts what it does not wait for with SIGINT and SIGQUIT ignored, and no shell can take that back: env of
# coreutils since 8.31 can, and perl. Where neither is there, these two signals do not end the command.
reset='$SIG{$_} = "DEFAULT" for qw(INT QUIT); exec qw(sh -s)'
if env --default-signal=INT true 2>/dev/null; then
  set -- env --default-signal=INT --default-signal=QUIT sh -s
elif command -v perl >/dev/null 2>&1; then
  set -- perl -e "$reset"
else
  set -- sh -s
fi
"$@" <"$at/in" >"$at/out" 2>"$at/err" &
runner=$!
exec 5>"$at/in"
printf %s "$order" >&5
if [ -n "$gate" ]; then
  while [ ! -s "$gate" ] && kill -0 "$runner" 2>/dev/null; do sleep 0.2; done
  echo go >&5
fi
while kill -0 "$runner" 2>/dev/null; do wait "$runner"; done
wait
# Not before: who opens one of these files may be slower than all others.
rm -rf "$at"
