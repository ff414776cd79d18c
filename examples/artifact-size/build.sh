#!/bin/sh
# Puts the page together: markup with the style sheet and the script inside.
set -eu
mkdir -p out
{
	sed '/<!-- style -->/,$d' src/page.html
	echo '<!-- the style sheet -->'
	echo '<style>'
	cat src/style.css
	echo '</style>'
	sed '1,/<!-- style -->/d; /<!-- script -->/,$d' src/page.html
	echo '<!-- the script -->'
	echo '<script>'
	cat src/app.js
	echo '</script>'
	sed '1,/<!-- script -->/d' src/page.html
} > out/index.html
