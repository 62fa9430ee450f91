#compdef composectl
# Completes composectl in zsh: eval "$(composectl completion zsh)", after compinit

_composectl() {
    local line
    local -a whole open
    while IFS= read -r line; do
        case $line in
            ('') ;;
            (:file) _files && return ;;
            (:dir) _files -/ && return ;;
            (*)
                local value=${line%%$'\t'*} help=${line#*$'\t'}
                value=${value//\\/\\\\}
                value=${value//:/\\:}
                [[ $value == *= ]] && open+=("$value:$help") || whole+=("$value:$help")
                ;;
        esac
    done < <(_COMPOSECTL_COMPLETE=zsh_complete "${(Q)words[1]}" "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( $#whole )) && _describe composectl whole
    (( $#open )) && _describe composectl open -S ''
}

if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _composectl "$@"
else
    compdef _composectl composectl
fi
