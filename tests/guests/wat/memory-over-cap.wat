;; Attacks the memory cap with a memory of 128 MiB that is there from the start. Case G07.
;; beside: echo-bare
(module (memory 2048))
