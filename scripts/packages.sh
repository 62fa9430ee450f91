# shellcheck shell=bash
# Sourced: to install what is missing, or to say what to install.

require_packages() { # MISSING PACKAGE...
    local missing=$1
    shift
    if ! may_install; then
        {
            echo "error: $missing is missing"
            echo
            echo "hint: install it (on Debian and Ubuntu, as root: \`apt-get install $*\`)"
        } >&2
        exit 1
    fi
    echo "$missing is missing: installing $*" >&2
    apt-get -qq update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" </dev/null >/dev/null
}

may_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}
