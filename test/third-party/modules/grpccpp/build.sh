#!/bin/sh
# Fills a folder with Debian's packages and a client built from them: build.sh FOLDER PACKAGE... The packages are
# unpacked in the folder, with those that they need and this machine has not; the machine itself stays as it is, so this
# needs no rights.
set -eu
folder=$1
shift
here=$(dirname "$0")
mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
apt() {
  apt-get -qq -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt" -o Debug::NoLocking=1 \
    -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none "$@" >&2
}
apt update
apt install --download-only --no-install-recommends --yes "$@"
for package in "$folder"/apt/archives/*.deb; do
  # There is none where the machine has all of them.
  if [ -e "$package" ]; then dpkg-deb -x "$package" "$folder"; fi
done
rm -r "$folder/apt"
libraries=usr/lib/$(gcc -print-multiarch)
PATH=$folder/usr/bin:$PATH
mkdir "$folder/generated"
LD_LIBRARY_PATH=$folder/$libraries protoc "--proto_path=$here" "--cpp_out=$folder/generated" \
  "--plugin=protoc-gen-grpc=$(command -v grpc_cpp_plugin)" "--grpc_out=$folder/generated" test.proto
mkdir -p "$folder/usr/include" "$folder/$libraries"
# The old kind of run path also serves the libraries that the libraries need.
g++ -std=c++17 "-I$folder/generated" "-I$folder/usr/include" "$here/client.cc" "$folder"/generated/*.cc \
  -o "$folder/client" "-L$folder/$libraries" '-Wl,-rpath,$ORIGIN/'"$libraries" -Wl,--disable-new-dtags \
  "-Wl,-rpath-link,$folder/$libraries" -Wl,--copy-dt-needed-entries -lgrpc++ -lgrpc -lprotobuf
