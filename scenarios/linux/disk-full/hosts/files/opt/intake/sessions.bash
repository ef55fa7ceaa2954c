# Sessions of scanners: one small file each, as long as the scanner is logged in.
. /etc/intake/intake.conf

# session_new WHO: sets `id`; where that fails, it leaves no file and says why
session_new() {
    local text
    printf -v id '%08x%08x' "$SRANDOM" "$SRANDOM"
    printf -v text 'who=%s\nsince=%(%FT%T%z)T' "$1" -1
    cat > "$SESSIONS/sess_$id" <<< "$text" && return  # printf does not know why it could not write
    rm -f "$SESSIONS/sess_$id"
    return 1
}

# session_use ID: notes that it was used; fails when there is none
session_use() { [[ $1 =~ ^[0-9a-f]{16}$ ]] && touch --no-create "$SESSIONS/sess_$1" && [[ -e $SESSIONS/sess_$1 ]]; }

# session_end ID
session_end() { [[ $1 =~ ^[0-9a-f]{16}$ ]] && rm -f "$SESSIONS/sess_$1"; }
