// OpenBao 2.4.0 as a program: its own module replaces others, which keeps `go install` from building it by name alone.
// What it replaces by folders of its repository is replaced here by the same versions under their own names. go.sum
// holds what the build reads, as the checksum database and OpenBao's own go.sum name it.
module keyproxy.invalid/openbao

go 1.26

require github.com/openbao/openbao v0.0.0-20250828202315-f9407a27fbee

replace github.com/openbao/openbao/api/auth/approle/v2 v2.0.0 => github.com/openbao/openbao/api/auth/approle/v2 v2.4.0

replace github.com/openbao/openbao/api/auth/userpass/v2 v2.0.0 => github.com/openbao/openbao/api/auth/userpass/v2 v2.4.0
