"""JavaScript without what only its readers need."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from convex_nb.views.modules import _squeezed, _tokens

NODE = shutil.which("node")


def squeezed(code: str) -> str:
    return "".join(_squeezed(list(_tokens(code))))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f( a , b );", "f(a,b);"),
        ("return a in b; // why\n", "return a in b;"),
        ("/** What. */\ng(a + +b, a - -b, a + b);", "\ng(a+ +b,a- -b,a+b);"),
        ("'a  b' + \"//  c\";", "'a  b'+\"//  c\";"),
        ('x = `a  ${ b ? `c  ${d}` : "}" }  e`  ;', 'x=`a  ${ b ? `c  ${d}` : "}" }  e`;'),
        ("x = a / b / c;", "x=a/b/c;"),
        ("x = y.replace(/[/ \"]  '/g, z);", "x=y.replace(/[/ \"]  '/g,z);"),
        ("f(() => {\n  a();\n  b([1, 2,]);\n});\n", "f(()=>{a();b([1,2])});"),
    ],
)
def test_only_room_and_comments_go(code: str, expected: str) -> None:
    assert squeezed(code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("const number = 1; f(number, { x: number });", "let a=1;f(a,{x:a});"),
        ("const number = 1; f({ number });", "let number=1;f({number});"),
        ("const number = 1; f(o.number);", "let number=1;f(o.number);"),
        ("const number = 1; f(`${number}`);", "let number=1;f(`${number}`);"),
        (
            "class Some { number() {} get other() {} }\nconst number = 1, other = 2;",
            "class a{number(){}get other(){}}\nlet number=1,other=2;",
        ),
        ("const { number = 5 } = o; let number = 2;", "let{number=5}=o;let number=2;"),
        ("const number = a;", "let b=a;"),
        ("document.title;", "document.title;"),
    ],
)
def test_a_name_is_shortened_where_it_is_nothing_else(code: str, expected: str) -> None:
    assert squeezed(code) == expected


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_what_is_left_does_the_same() -> None:
    assert NODE is not None
    code = """
const counted = (list) => list.length; // how many
function joined(words, between = ", ") {
  /* not // this */
  const found = [...words].map((word) => (/^[a-z/]+$/.test(word) ? word : `<${counted(word)}>`));
  return found.join(between);
}
class Pair {
  constructor(left, right) {
    Object.assign(this, { left, right });
  }

  get both() {
    const { left, right } = this;
    return joined([left, right]);
  }
}
console.log(new Pair("a/b", "A").both, 6 / 3 / 2, 1 + +1, 1 - -1);
"""
    runs = [
        subprocess.run([NODE, "-e", text], capture_output=True, text=True, check=True).stdout
        for text in (code, squeezed(code))
    ]
    assert runs[0] == runs[1] == "a/b, <1> 1 2 2\n"


def test_a_template_without_an_end_is_no_module() -> None:
    with pytest.raises(ValueError, match="A template has no end"):
        squeezed("x = `a${b}")
