#!/bin/sh
# Fails unless the page still holds all of its sources. Comments don't count,
# nor does the white space beside { } ; < > and at the ends of lines; other
# white space counts as one blank.
set -eu

squeeze() {
	tr '\n\t' '  ' | awk '{
		gsub(/\/\*[^*]*\*\//, " "); gsub(/<!--[^>]*-->/, " ")
		gsub(/ +/, " "); gsub(/ *; */, ";")
		gsub(/ *[{] */, "{"); gsub(/ *[}] */, "}"); gsub(/ *< */, "<"); gsub(/ *> */, ">")
		gsub(/^ | $/, ""); printf "%s", $0
	}'
}

page=$(squeeze < out/index.html)
holds() { # name, text
	case "$page" in
	*"$2"*) ;;
	*) echo "the page lost something of $1" >&2; exit 1 ;;
	esac
}
holds style.css "<style>$(squeeze < src/style.css)</style>"
holds app.js "<script>$(squeeze < src/app.js)</script>"
holds "the head" "$(sed '/<!-- style -->/,$d' src/page.html | squeeze)"
holds "the body" "$(sed '1,/<!-- style -->/d; /<!-- script -->/,$d' src/page.html | squeeze)"
holds "the end" "$(sed '1,/<!-- script -->/d' src/page.html | squeeze)"
