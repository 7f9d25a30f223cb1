# Health of nats-server in compose.yaml: exit status 0 while it stores what it is given.
#
# After a failed write, as on a full disk, nats-server stores nothing in that stream until it is started again, space or
# not; its plain /healthz says so. Docker does not restart what is unhealthy. So this check ends the server, in good order,
# once there is space, and the restart policy starts it again: at most once in MIN_UPTIME_S, which its uptime shows.
# For the shell and the tools of busybox, which nats:2-alpine has.
readonly MIN_UPTIME_S=30
readonly ROOM_KIB=32768

why=$(busybox wget -q -O - http://127.0.0.1:8222/healthz 2>&1) && exit 0
busybox wget -q -O /dev/null 'http://127.0.0.1:8222/healthz?js-enabled-only=true' 2>/dev/null || {
  echo "no answer, or JetStream is not enabled: $why"
  exit 1
}

# Only a write error brings it here: JetStream is enabled, and yet not well.
free_kib=$(busybox df -Pk /data | { read -r _; read -r _ _ _ free _; echo "$free"; })
read -r up_s _ </proc/uptime
started_ticks=$(busybox awk '{ print $22 }' /proc/1/stat)
uptime_s=$((${up_s%.*} - started_ticks / 100))
if [ "$free_kib" -lt "$ROOM_KIB" ]; then
  echo "JetStream does not store everything, for the disk is full: $free_kib KiB are free, it goes on with $ROOM_KIB"
elif [ "$uptime_s" -lt "$MIN_UPTIME_S" ]; then
  echo "JetStream does not store everything: it is started again once it is up for $MIN_UPTIME_S s"
else
  echo "JetStream does not store everything, and there is space: it is started again"
  kill -TERM 1
fi
exit 1
