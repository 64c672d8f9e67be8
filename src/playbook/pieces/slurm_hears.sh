# Whether the controller hears from DIAG_NODE, as it says itself: `hears`, 1 or 0, and `state`. Where it says nothing of it, `why` not.
ask_controller() {
  # A daemon that was started a moment ago registers within seconds.
  for try in 1 2 3 4 5 6 7 8; do
    state=$(timeout 10 scontrol --oneliner show node "${DIAG_NODE}" | tr ' ' '\n' | awk -F= '$1 == "State" { print $2 }')
    [ -n "${state}" ] || { why="the controller says nothing of it"; return 1; }
    case ${state} in
      *DOWN* | *NOT_RESPONDING* | *\**) hears=0 ;;
      *) hears=1; break ;;
    esac
    [ "${try}" = 8 ] || sleep 1
  done
}
