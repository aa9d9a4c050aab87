;; Attacks the grants: imports a TCP socket, by its true name and type, that no manifest can grant. If it is loaded all the same, it
;; tries to make one, and answers `open` or `denied`. Cases G33, G32.
;; wit: world fixture {
;; wit:   import wasi:sockets/tcp-create-socket@0.2.0;
;; wit:   export cofferdam:mcp/catalog@0.1.0;
;; wit:   export cofferdam:mcp/query@0.1.0;
;; wit: }
;; wit: package wasi:sockets@0.2.0 {
;; wit:   interface network {
;; wit:     enum error-code {
;; wit:       unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
;; wit:       not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
;; wit:       remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
;; wit:       name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
;; wit:     }
;; wit:     enum ip-address-family { ipv4, ipv6 }
;; wit:   }
;; wit:   interface tcp { resource tcp-socket; }
;; wit:   interface tcp-create-socket {
;; wit:     use network.{error-code, ip-address-family};
;; wit:     use tcp.{tcp-socket};
;; wit:     create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
;; wit:   }
;; wit: }
(module
  (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $create (param $family i32) (param $result i32)))
  ;; include: base
  ;; include: describe
  (data (i32.const 0x810) "open")
  (data (i32.const 0x818) "denied")
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (call $create (i32.const 0) (i32.const 0x800))
    (if (result i32) (i32.load8_u (i32.const 0x800))
      (then (call $reply_text (i32.const 0x818) (i32.const 6)))
      (else (call $reply_text (i32.const 0x810) (i32.const 4)))))
)
