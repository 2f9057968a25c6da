#if DEBUG || Fuzzing
    internal import COpenSSL

    /// Memory in a socket's place, for tests that give TLS bytes and take its bytes: no socket is needed, and
    /// each byte comes when the test says so.
    package final class MemoryWire {
        /// They belong to the stream.
        private let incoming: OpaquePointer
        private let outgoing: OpaquePointer

        fileprivate init?() {
            guard let incoming = BIO_new(BIO_s_mem()) else { return nil }
            guard let outgoing = BIO_new(BIO_s_mem()) else {
                BIO_free(incoming)
                return nil
            }
            self.incoming = incoming
            self.outgoing = outgoing
        }

        fileprivate func attach(to session: OpaquePointer) {
            // So that they outlive the stream, whoever goes first.
            BIO_up_ref(incoming)
            BIO_up_ref(outgoing)
            SSL_set_bio(session, incoming, outgoing)
        }

        deinit {
            BIO_free(incoming)
            BIO_free(outgoing)
        }

        /// Lets the stream receive these.
        package func give(_ bytes: [UInt8]) {
            guard !bytes.isEmpty else { return }
            BIO_write(incoming, bytes, Int32(clamping: bytes.count))
        }

        /// The peer ends its side: behind what was given comes the end.
        package func end() { BIO_ctrl(incoming, BIO_C_SET_BUF_MEM_EOF_RETURN, 0, nil) }

        /// Everything that the stream has sent since the last time.
        package func take() -> [UInt8] {
            let count = BIO_ctrl_pending(outgoing)
            guard count > 0 else { return [] }
            return [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
                initialized = max(
                    0, Int(BIO_read(outgoing, bytes.baseAddress, Int32(clamping: count))))
            }
        }
    }

    /// A stream of TLS, and the wire that it is on.
    package struct WiredStream: ~Copyable {
        package let stream: TLSStream
        package let wire: MemoryWire
    }

    extension TLSContext {
        /// A server's stream over memory.
        package func makeStreamInMemory(
            verification: TLSSettings.Verification = .none
        ) -> WiredStream? {
            guard let wire = MemoryWire(),
                let stream = makeStream(
                    Stream(descriptor: -1), verification: verification,
                    attaching: {
                        wire.attach(to: $0)
                        return true
                    })
            else { return nil }
            return WiredStream(stream: stream, wire: wire)
        }
    }

    extension TLSClientContext {
        /// A client's stream over memory.
        package func makeStreamInMemory(host: String) throws(TLSError) -> WiredStream {
            guard let wire = MemoryWire() else { throw TLSError("no memory") }
            let stream = try makeStream(
                Stream(descriptor: -1), host: host,
                attaching: {
                    wire.attach(to: $0)
                    return true
                })
            return WiredStream(stream: stream, wire: wire)
        }
    }
#endif
