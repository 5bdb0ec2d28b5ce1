# What install.sh and upgrade.sh share. They set `here` to the folder of the bundle.
umask 022

# Shows the first text, or the second where the language of the system is Chinese, as the program itself does.
say() {
  language=${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}
  case ${CLEARANCE_LANG:-$language} in zh*) echo "$2" ;; *) echo "$1" ;; esac
}

refuse() {
  say "$1" "$2" >&2
  exit 1
}

# Ends unless every file is as it was packed, and there is no other. Nothing is written.
verify_files() {
  cd "$here"
  sha256sum --check --strict --quiet SHA256SUMS >&2 ||
    refuse "A file of the bundle is damaged, missing or was changed. Nothing was written. Copy the archive again, compare its SHA-256, and unpack it into an empty folder." \
      "安装包中有文件损坏、缺失或被改动，未写入任何内容。请重新复制安装包，核对 SHA-256，再解压到空目录。"
  [ "$(sed 's/^[0-9a-f]*  //' SHA256SUMS | LC_ALL=C sort)" = "$(find . ! -type d ! -path ./SHA256SUMS | sed 's/^\.\///' | LC_ALL=C sort)" ] ||
    refuse "The folder has files that the bundle does not have. Nothing was written. Unpack the archive into an empty folder." \
      "目录中有不属于安装包的文件，未写入任何内容。请把安装包解压到空目录。"
  . ./bundle.env
}

# Whether the version $1 is lower than $2.
is_lower() {
  [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# Ends unless this machine can run the bundle. Sets `python`.
check_machine() {
  [ "$(uname -m)" = "$ARCH" ] ||
    refuse "The bundle is for $ARCH; this machine is $(uname -m). Nothing was written. Take the bundle of that name." \
      "安装包适用于 $ARCH，本机是 $(uname -m)，未写入任何内容。请换用相应的安装包。"
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')
  if [ -z "$glibc" ] || is_lower "$glibc" "$GLIBC"; then
    refuse "The bundle needs glibc $GLIBC or later; this system has ${glibc:-none}. Nothing was written." \
      "安装包需要 glibc $GLIBC 或更高版本，本系统是 ${glibc:-无}，未写入任何内容。"
  fi
  for candidate in "${PYTHON:-}" python3 $(for each in $PYTHONS; do echo "python$each"; done); do
    [ -n "$candidate" ] || continue
    found=$("$candidate" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case " $PYTHONS " in *" $found "*) python=$candidate; return ;; esac
  done
  refuse "The bundle needs one of these versions of Python, with its venv module: $PYTHONS. Nothing was written. Install one (Debian: apt-get install python3-venv), or name it: PYTHON=/path/to/python3.11" \
    "安装包需要带 venv 模块的 Python，版本为其中之一：$PYTHONS。未写入任何内容。请安装（Debian：apt-get install python3-venv），或用 PYTHON=/path/to/python3.11 指明位置。"
}

# Installs the program into $prefix/$VERSION, from the files of the bundle alone. A part of it is removed at an error.
install_version() {
  target=$prefix/$VERSION
  rm -rf "$target"
  mkdir -p "$prefix"
  trap 'rm -rf "$target"' EXIT
  trap 'exit 1' HUP INT TERM
  say "Installing clearance $VERSION into $target ..." "正在把 clearance $VERSION 装到 $target …"
  "$python" -m venv "$target"
  pip="env PIP_CONFIG_FILE=/dev/null $target/bin/python -m pip --isolated --disable-pip-version-check --no-input -qq install --no-index"
  $pip --find-links "$here/wheels" --require-hashes -r "$here/requirements/bundle.lock"
  $pip --no-deps "$here/wheels/clearance_sync-$VERSION-py3-none-any.whl"
  mkdir -p "$target/share/clearance-sync"
  cp -R "$here/deploy" "$here/docs" "$here/LICENSE" "$here"/*.md "$here"/*.cdx.json "$target/share/clearance-sync/"
  [ "$("$target/bin/clearance" --version)" = "clearance $VERSION" ]
  : > "$target/.complete"
  trap - EXIT HUP INT TERM
}

# Makes $1 the version that runs, in one step.
switch_to() {
  ln -sfn "$1" "$prefix/.venv.new"
  mv -T "$prefix/.venv.new" "$prefix/.venv"
}

has_systemd() {
  [ -d /run/systemd/system ]
}

# Copies the units of the version $1; a file that you changed belongs into a drop-in of your own (systemctl edit).
place_units() {
  files=$prefix/$1/share/clearance-sync/deploy
  mkdir -p /etc/systemd/system
  cp -R "$files"/systemd/*.service "$files"/systemd/*.timer "$files"/systemd/*.target "$files"/systemd/*.service.d /etc/systemd/system/
  install -m 755 "$files/bin/clearance-as" /usr/local/bin/clearance-as
  ! has_systemd || systemctl daemon-reload
}
