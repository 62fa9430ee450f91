# shellcheck shell=bash
# Sourced: to install what is missing, or to say what to install.

refuse() { # ERROR HINT
    printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

require_packages() { # MISSING PACKAGE...
    local missing=$1
    shift
    if ! may_install; then
        refuse "$missing is missing" "install it (on Debian and Ubuntu, as root: \`apt-get install $*\`)"
    fi
    echo "$missing is missing: installing $*" >&2
    apt-get -qq update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" </dev/null >/dev/null
}

may_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}
