# SPDX-License-Identifier: MIT
# Prints a page as doxygen understands it: each heading gets the anchor that GitHub gives it, after the name of
# its page, and links to pages and anchors become references to these, which doxygen then checks. Pages that
# are read in parts get a table of contents, and ** is spelled out, which doxygen misses beside code. Code
# stays code where doxygen would end it at an apostrophe, or make a link of half a URL.

function page_of(path) {
    gsub(/.*\//, "", path)
    sub(/\.md$/, "", path)
    return tolower(path)
}

# What GitHub makes of a heading.
function slug_of(heading) {
    heading = tolower(heading)
    gsub(/[^a-z0-9_ -]/, "", heading)
    gsub(/ /, "-", heading)
    return heading
}

function code_of(text) {
    gsub(/https?:\/\//, "%&", text)
    return text ~ /'/ ? "``" text "``" : "`" text "`"
}

# The line with its code, and with each ** outside of code as a tag; bold text may go on in the next line.
function spelled_out(line,    pieces, count, n, result) {
    count = split(line, pieces, "`")
    for (n = 1; n <= count; n++) {
        if (n % 2 == 1) {
            while (sub(/\*\*/, is_bold ? "</b>" : "<b>", pieces[n])) is_bold = !is_bold
            result = result pieces[n]
        } else {
            result = result (n < count ? code_of(pieces[n]) : "`" pieces[n])
        }
    }
    return result
}

function reference(target,    parts) {
    if (target ~ /^#/) return "@ref " page "-" substr(target, 2)
    if (target !~ /^[^:]*\.md(#.*)?$/) return target
    split(target, parts, "#")
    if (parts[2] == "" && page_of(parts[1]) == "readme") return "@ref index"
    return "@ref " page_of(parts[1]) (parts[2] == "" ? "" : "-" parts[2])
}

FNR == 1 { page = page_of(FILENAME) }

/^```/ { in_code = !in_code }

in_code || /^```/ { print; next }

/^# / && !has_title {
    has_title = 1
    print $0 (page == "readme" ? "" : " {#" page "}")
    if (page != "readme" && page != "changelog") print "\n[TOC]"
    next
}

/^##+ / {
    heading = $0
    sub(/^#+ /, "", heading)
    gsub(/`/, "")  # a table of contents would show the tags
    print $0 " {#" page "-" slug_of(heading) "}"
    next
}

/^$/ { is_bold = 0 }

{
    line = $0
    done = ""
    while (match(line, /\]\([^)]*\)/)) {
        done = done substr(line, 1, RSTART + 1) reference(substr(line, RSTART + 2, RLENGTH - 3)) ")"
        line = substr(line, RSTART + RLENGTH)
    }
    print spelled_out(done line)
}
