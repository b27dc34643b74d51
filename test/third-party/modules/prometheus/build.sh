#!/bin/sh
# Fills a folder with programs of one of Debian's packages: build.sh FOLDER PACKAGE. Without the packages that it asks
# for, which dress its pages: the programs need libc alone. The machine itself stays as it is, so this needs no rights.
set -eu
folder=$1
package=$2
mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
apt() {
  apt-get -qq -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt" -o Debug::NoLocking=1 \
    -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none "$@" >&2
}
apt update
(cd "$folder/apt" && apt download "$package")
dpkg-deb -x "$folder"/apt/"$package"_*.deb "$folder/apt/unpacked"
mv "$folder/apt/unpacked/usr/bin/"* "$folder"
rm -r "$folder/apt"
