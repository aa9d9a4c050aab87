;; Attacks the loader: one of its functions is plain, the others take or return handles, and one of them belongs to its resource.
;; wit: interface files {
;; wit:   resource file { size: func() -> u32; }
;; wit:   open: func(path: string) -> result<file, string>;
;; wit:   count: func() -> u32;
;; wit: }
;; wit: world fixture { export files; }
(module
  ;; include: base
  (func (export "fixture:plain-some-resources/files#[method]file.size") (param i32) (result i32) unreachable)
  (func (export "fixture:plain-some-resources/files#open") (param i32 i32) (result i32) unreachable)
  (func (export "fixture:plain-some-resources/files#count") (result i32) (i32.const 3))
)
