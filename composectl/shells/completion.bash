# Completes composectl in bash: eval "$(composectl completion bash)"

_composectl() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            '') ;;
            :file) compopt -o default -o filenames 2>/dev/null ;;
            :dir) compopt -o dirnames -o filenames 2>/dev/null ;;
            *)
                line=${line%%$'\t'*}
                [[ $line == *= ]] && compopt -o nospace 2>/dev/null
                printf -v line %q "$line"  # bash itself inserts it as it is
                COMPREPLY+=("$line")
                ;;
        esac
    done < <(_COMPOSECTL_COMPLETE=bash_complete "$1" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}

complete -F _composectl composectl
