#!/usr/bin/env bash
# Collect what an environment needs to run into an empty root: rootfs.sh TARGET VENV. No /bin, so no shell.
set -euo pipefail
target=$1 venv=$2
python=$(readlink -f "$venv/bin/python")
prefix=$("$venv/bin/python" -c 'import sys; print(sys.base_prefix)')
stdlib=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')

# Every shared library that the interpreter and the extension modules name, and the loader itself.
libraries() {
    { echo "$python"; find "$stdlib" "$venv" -name '*.so*' -type f; } | xargs --delimiter='\n' ldd 2>/dev/null |
        grep -oE '/[^ ]+\.so[^ ]*' | sort -u
}

mkdir -p "$target"/{etc,tmp,usr/lib,etc/edgeproxy}
chmod 1777 "$target/tmp"
for link in lib lib64; do
    if [ -L "/$link" ]; then cp -a "/$link" "$target/$link"; mkdir -p "$target/usr/$link"; fi
done
libraries | while read -r library; do
    cp --parents --dereference "$library" "$target"
done
# Loaded by name at run time: name lookups, and iconv-free locales need nothing more.
find /usr/lib -name 'libnss_files.so*' -o -name 'libnss_dns.so*' -o -name 'libresolv.so*' |
    xargs --no-run-if-empty cp --parents --dereference --target-directory "$target"
cp --parents --archive "$python" "$stdlib" "$venv" "$target"
rm -rf "$target$stdlib"/{test,idlelib,tkinter,ensurepip,turtledemo,site-packages,lib2to3}
find "$prefix/lib" -maxdepth 1 -name 'libpython*.so*' -exec cp --parents --archive {} "$target" \;

[ ! -d /etc/ssl ] || cp --archive /etc/ssl "$target/etc/ssl"
[ ! -d /usr/share/ca-certificates ] || cp --parents --archive /usr/share/ca-certificates "$target"
echo 'hosts: files dns' >"$target/etc/nsswitch.conf"
echo 'edgeproxy:x:10001:10001:edgeproxy:/tmp:/nonexistent' >"$target/etc/passwd"
echo 'edgeproxy:x:10001:' >"$target/etc/group"
