#!/bin/sh
# expect_error.sh SNIPPET COMPILER FLAGS...: compiles the snippet; the compiler must report one error, and it must hold the text of the
# snippet's first line, "// want: text".
snippet=$1
shift
want=$(sed -n '1s,^// want: ,,p' "$snippet")
errors=$("$@" -fsyntax-only -fdiagnostics-color=never "$snippet" 2>&1 | grep 'error: ')
case $(printf '%s\n' "$errors" | head -n 1) in
  "") echo "it compiles, but the compiler should say: $want"; exit 1 ;;
  *"$want"*) ;;
  *) printf 'wanted: %s\ngot:\n%s\n' "$want" "$errors"; exit 1 ;;
esac
if [ "$(printf '%s\n' "$errors" | wc -l)" -gt 1 ]; then
  printf 'one error is enough:\n%s\n' "$errors"
  exit 1
fi
