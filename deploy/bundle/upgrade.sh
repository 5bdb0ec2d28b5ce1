#!/bin/sh
# Upgrades to the version of this folder, without a network, and takes everything back when a step fails:
#   sudo ./upgrade.sh                        a server as install.sh made it
#   ./upgrade.sh --program-only DIR --config FILE --backups DIR
#                                            a program in DIR, with one settings file; its services are yours to stop
# With --roll-back it goes back to the version before: also after an upgrade that was cut off, or that you regret.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

prefix=/opt/clearance
config=
backups=/var/backups/clearance
roll_back_only=
yes=
while [ $# -gt 0 ]; do
  case $1 in
    --program-only) prefix=$(cd "$2" && pwd); shift ;;
    --config) config=$2; shift ;;
    --backups) backups=$2; shift ;;
    --roll-back) roll_back_only=yes ;;
    --yes) yes=yes ;;
    *) refuse "Unknown option $1. The options are at the beginning of upgrade.sh." "没有选项 $1。可用的选项见 upgrade.sh 开头。" ;;
  esac
  shift
done
if [ "$prefix" != /opt/clearance ] && [ -z "$config" ]; then
  refuse "--program-only needs --config FILE: its database is backed up and upgraded." "--program-only 需要 --config FILE：要备份和升级它的数据库。"
fi
state=$prefix/.upgrade

# Runs a command as the owner of the tables, with the version that .venv names.
as_owner() {
  if [ -n "$config" ]; then "$prefix/.venv/bin/clearance" --config "$config" "$@"; else /usr/local/bin/clearance-as owner "$@"; fi
}

active_services() {
  [ -z "$config" ] && has_systemd || return 0
  systemctl list-units --state=active,activating --plain --no-legend 'clearance-*' | sed 's/ .*//' | tr '\n' ' '
}

stop_services() { [ -z "$services" ] || systemctl stop $services; }
start_services() { [ -z "$services" ] || systemctl start $services; }

# Writes down how far it is, so that a later run can take it back.
note() {
  printf "old='%s'\nnew='%s'\nbackup='%s'\nservices='%s'\nstep='%s'\n" "$old" "$new" "$backup" "$services" "$1" > "$state.new"
  mv "$state.new" "$state"
}

roll_back() {
  trap '' HUP INT TERM
  say "Going back to $old ..." "正在退回 $old …"
  stop_services || true
  switch_to "$old"
  [ -n "$config" ] || place_units "$old"
  if [ "$step" = tables ]; then
    as_owner restore "$backup" --replace ||
      refuse "The database could not be restored: the lines above have the reason. The services are stopped. Remove the cause, then run: upgrade.sh --roll-back" \
        "数据库没有恢复，原因见上面几行，服务已停止。排除原因后运行：upgrade.sh --roll-back"
  fi
  start_services || true
  rm -rf "${prefix:?}/${new:?}"
  rm -f "$state"
}

if [ -n "$roll_back_only" ]; then
  from=$prefix/$(readlink "$prefix/.venv")/.upgraded-from
  if [ -e "$state" ]; then
    . "$state"
  elif [ -e "$from" ] && [ -n "$yes" ]; then
    . "$from"
    services=$(active_services)
  elif [ -e "$from" ]; then
    refuse "What was decided since the upgrade would be lost. If you want that, add --yes." "升级以后的人工办理会丢失。确实要退回的，加上 --yes。"
  else
    refuse "There is no upgrade to take back." "没有可以退回的升级。"
  fi
  roll_back
  say "Back at $old." "已退回 $old。"
  exit 0
fi

verify_files
check_machine
[ ! -e "$state" ] || refuse "An upgrade was cut off. Take it back first: upgrade.sh --roll-back" "上次升级中断。请先退回：upgrade.sh --roll-back"
[ -L "$prefix/.venv" ] || refuse "Nothing is installed in $prefix. Use install.sh." "$prefix 中没有安装过。请用 install.sh。"
old=$(readlink "$prefix/.venv")
new=$VERSION
is_lower "$old" "$new" || refuse "$old is installed; the bundle has $new. Nothing was written." "已装的是 $old，安装包是 $new，未写入任何内容。"
install_version

services=$(active_services)
backup=
step=backup
failed() {
  say "The upgrade failed at this step: $step. The lines above have the reason." "升级失败，步骤：$step。原因见上面几行。" >&2
  roll_back
  refuse "Nothing has changed: $old runs, with its data." "一切照旧：仍是 $old 及其数据。"
}
trap failed HUP INT TERM
note backup
say "Backing up ..." "正在备份 …"
stop_services || failed
made=$(as_owner backup "$backups" --json) || failed
backup=$(printf '%s\n' "$made" | "$python" -c 'import json, sys; print(json.load(sys.stdin)["folder"])') || failed
note backup
say "Upgrading the tables ..." "正在升级数据表 …"
switch_to "$new"
step=tables
note tables
as_owner db upgrade || failed
if [ -z "$config" ]; then
  as_owner db roles || failed
  # Rights that only a superuser can grant; on another machine, run this there.
  if command -v psql > /dev/null && runuser -u postgres -- psql -q -c "SELECT 1" clearance > /dev/null 2>&1; then
    as_owner db roles --print | runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 clearance || failed
  else
    say "Have a superuser of the database server run what this prints: clearance-as owner db roles --print" \
      "请由数据库的超级用户运行这条命令列出的语句：clearance-as owner db roles --print"
  fi
  place_units "$new" || failed
fi
say "Starting ..." "正在启动 …"
start_services || failed
trap - HUP INT TERM
mv "$state" "$prefix/$new/.upgraded-from"
say "Upgraded from $old to $new. The backup from before: $backup. To go back: upgrade.sh --roll-back" \
  "已从 $old 升级到 $new。升级前的备份：$backup。要退回：upgrade.sh --roll-back"
