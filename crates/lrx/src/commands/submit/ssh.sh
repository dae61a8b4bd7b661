#!/bin/sh
# {{name}}: {{runs}} runs on {{tasks}} machines that share this folder, and then the report. Each machine begins with its own
# share and goes on with what others have left. With GNU parallel it is one line:
#   seq {{tasks}} | parallel --jobs 1 --sshlogin HOST,HOST --workdir {{folder}} {{run}} --task {}/{{tasks}} --steal
set -eu
command=$(cat <<'COMMAND'
cd {{folder}} && exec {{run}}
COMMAND
)
export command
code=0
n=0
for host in {{hosts}}; do
    n=$((n + 1))
    echo "$host $n"
done | xargs -P {{tasks}} -L 1 sh -c 'ssh "$0" "$command --task $1/{{tasks}} --steal" < /dev/null' || code=$?
cd {{folder}}
{{report}}
exit "$code"
