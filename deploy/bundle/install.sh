#!/bin/sh
# Installs the program from this folder, without a network:
#   sudo ./install.sh                        for a server: into /opt/clearance, with users, folders and units
#   ./install.sh --program-only DIR          the program alone, into DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

prefix=/opt/clearance
program_only=
case ${1:-} in
  "") ;;
  --program-only)
    [ -n "${2:-}" ] || refuse "--program-only needs a folder: ./install.sh --program-only DIR" "--program-only 后面要写目录：./install.sh --program-only DIR"
    prefix=$2
    case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
    program_only=yes
    ;;
  *) refuse "Unknown option $1. Use ./install.sh, or ./install.sh --program-only DIR" "没有选项 $1。请用 ./install.sh，或 ./install.sh --program-only DIR" ;;
esac

verify_files
check_machine
if [ -L "$prefix/.venv" ]; then
  refuse "Clearance $(readlink "$prefix/.venv") is installed in $prefix. Nothing was written. Use upgrade.sh." \
    "$prefix 中已装有 clearance $(readlink "$prefix/.venv")，未写入任何内容。请用 upgrade.sh。"
fi
if [ -z "$program_only" ] && [ "$(id -u)" != 0 ]; then
  refuse "The installation for a server needs root. Nothing was written. Use sudo, or --program-only DIR." \
    "服务器安装需要 root，未写入任何内容。请用 sudo，或 --program-only DIR。"
fi
install_version
if [ -z "$program_only" ]; then
  files=$prefix/$VERSION/share/clearance-sync/deploy
  systemd-sysusers "$files/systemd/clearance.sysusers.conf"
  systemd-tmpfiles --create "$files/systemd/clearance.tmpfiles.conf"
  place_units "$VERSION"
  [ -e /etc/clearance/clearance.toml ] || install -m 644 "$files/clearance.toml" /etc/clearance/clearance.toml
fi
switch_to "$VERSION"
if [ -n "$program_only" ]; then
  say "Installed. Next: $prefix/.venv/bin/clearance demo" "已装好。下一步：$prefix/.venv/bin/clearance demo"
else
  say "Installed; nothing was started. Next: the database, in $prefix/$VERSION/share/clearance-sync/docs/deploy.md" \
    "已装好，没有启动任何服务。下一步：数据库，见 $prefix/$VERSION/share/clearance-sync/docs/zh/deploy.md"
fi
