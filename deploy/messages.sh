# shellcheck shell=bash
# Sourced by the scripts of this folder: where the tree is, and how they speak.

# shellcheck disable=SC2034  # used by who sources this
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# The script that runs, and how its messages call it: deploy/cluster, or sbin/sluice-cluster where it is installed.
me=$(readlink -f "$0")
called=$(basename "$(dirname "$me")")/$(basename "$me")

# One line of progress. Everything a script says goes to stderr; stdout is for what it was asked to print.
say() { printf '%s\n' "== $*" >&2; }

# One line that says what is wrong and what to do, then the end.
fail() {
  printf '%s: %s\n' "$called" "$*" >&2
  exit 1
}

# The comment at the head of the script is its help.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; }

# How many compilers or tests run side by side: one a core, and no more than one for each 2 GiB of free memory.
parallel() {
  local cores kib fit
  cores=$(nproc)
  kib=$(awk '/^MemAvailable:/{print $2}' /proc/meminfo)
  fit=$((kib / (2 * 1024 * 1024)))
  ((fit >= 1)) || fit=1
  ((cores < fit)) && echo "$cores" || echo "$fit"
}

# have NAME...: whether all these commands are there.
have() { command -v "$@" >/dev/null && [ "$(command -v "$@" | wc -l)" = $# ]; }
