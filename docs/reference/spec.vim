" Generated from gen/vocab.toml by gen 0.1.0.
" Do not edit: change the spec or the template, then run ./dev gen.
" To be seen by vim: copy it to ~/.vim/syntax/spec.vim, and say :set syntax=spec in a file of spec/.
if exists("b:current_syntax")
  finish
endif
syntax iskeyword @,48-57,_,192-255,-
syntax keyword specStatement accept alphabet before bit boxes characters charset command commands compat context default detect else events example group identity is key layout limits machine mask mechanism message octet option quirk refuse reject replay require reserved sockets source start state status strict struct versions
syntax keyword specOption after alias always among any asks back because bytes chars code connection counts deprecated do draft echo except excludes fault first for forbid frames from id if in known length limit long must mute native nocase nonce octets of on only overhead pad peers private public required rest secret send sends since size speaks stream symmetric there thread_safe to type unguarded unit unless when with
syntax keyword specType u8 u16be u32be u64be bytes text bits8
syntax match specNumber "\<\%(0x\x\+\|\d\+\%(^\d\+\%(-\d\+\)\?\|\.\d\+\)\?\)\>"
syntax match specSign "->\|\.\."
syntax region specText start=+"+ end=+"+ oneline
syntax match specComment "#.*$"
syntax match specDoc "///.*$"
highlight default link specStatement Statement
highlight default link specOption Identifier
highlight default link specType Type
highlight default link specNumber Number
highlight default link specSign Operator
highlight default link specText String
highlight default link specComment Comment
highlight default link specDoc SpecialComment
let b:current_syntax = "spec"
