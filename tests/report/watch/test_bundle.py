"""Modules of the page as one script."""

import re

from steelyard.report.watch import bundle as module
from steelyard.report.watch.bundle import bundle


def test_a_module_becomes_a_function_that_returns_what_it_exports(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAGE", tmp_path)
    low = ["const one = 1;", "export { one };", "export const two = 2;", "export function f() {}"]
    high = ['import { one, two } from "./base.js";', "export async function g() {}", "one + two;"]
    (tmp_path / "low.js").write_text("\n".join(low))
    (tmp_path / "high.js").write_text("\n".join(high))
    assert bundle({"base": "low", "top": "high"}).split("\n") == [
        "const module_base = (() => {", "const one = 1;", "", "const two = 2;", "function f() {}",
        "return { two, f, one };", "})();",
        "const module_top = (() => {", "const { one, two } = module_base;", "async function g() {}", "one + two;",
        "return { g };", "})();",
    ]  # fmt: skip


def test_nothing_of_the_modules_own_language_is_left():
    script = bundle()
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)
    assert "</script" not in script and "<!--" not in script
    uses = re.findall(r"const \{ ([^}]*) \} = module_(\w+);", script)
    assert len(uses) >= 6
    for names, of in uses:
        (exported,) = re.findall(
            rf"const module_{of} = \(\(\) => {{\n.*?\nreturn {{ (.*?) }};\n}}\)\(\);", script, re.DOTALL
        )
        assert set(names.split(", ")) <= set(exported.split(", ")), of
