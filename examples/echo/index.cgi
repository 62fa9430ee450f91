#!/bin/sh
# Shows which replica answers and the request. ?sleep=SECONDS answers later, ?status=CODE with another status.

query() { # NAME DEFAULT
    case "&$QUERY_STRING&" in
        *"&$1="*)
            value="&$QUERY_STRING&"
            value=${value#*"&$1="}
            echo "${value%%&*}"
            ;;
        *) echo "$2" ;;
    esac
}

sleep "$(query sleep 0)"
echo "Status: $(query status 200)"
echo 'Content-Type: text/plain'
echo
echo "I am $HOSTNAME at $(hostname -i)"
echo "$REQUEST_METHOD $REQUEST_URI"
env | sed -n 's/^HTTP_//p' | sort
[ "${CONTENT_LENGTH:-0}" = 0 ] || head -c "$CONTENT_LENGTH"
