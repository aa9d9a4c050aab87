;; Attacks the number of tables: 32 in as many instances. Case G08.
;; beside: echo-bare x 32
(module (table 1 funcref))
