;; Attacks the loader: all of its functions take or return handles, for which JSON has no form.
;; wit: interface files {
;; wit:   resource file;
;; wit:   open: func(path: string) -> result<file, string>;
;; wit:   close: func(files: list<file>);
;; wit: }
;; wit: world fixture { export files; }
(module
  (import "[export]fixture:plain-resources/files" "[resource-new]file" (func (param i32) (result i32)))
  ;; include: base
  (func (export "fixture:plain-resources/files#open") (param i32 i32) (result i32) unreachable)
  (func (export "fixture:plain-resources/files#close") (param i32 i32) unreachable)
)
