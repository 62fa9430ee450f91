# Completes composectl in fish: composectl completion fish | source

function __composectl_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    for line in (_COMPOSECTL_COMPLETE=fish_complete $words[1] $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ''
            case ':file'
                __fish_complete_path $current
            case ':dir'
                __fish_complete_directories $current
            case '*'
                printf '%s\n' $line
        end
    end
end

complete -c composectl -f -a '(__composectl_complete)'
