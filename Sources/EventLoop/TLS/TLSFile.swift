internal import COpenSSL

/// A file of certificates or of a key.
struct TLSFile: ~Copyable {
    private let file: SecretFile

    /// A root store of a whole system has some 200 kB.
    static let byteCountMax = 1 << 20

    init(_ path: String, _ what: String) throws(TLSError) {
        do throws(SecretFileError) {
            file = try SecretFile(path, what, byteCountMax: Self.byteCountMax)
        } catch {
            throw TLSError(error.description)
        }
    }

    var name: String { file.name }
    /// Why others could have read a key in it; see `SecretFile`.
    var exposure: String? { file.exposure }

    /// Calls `body` with a BIO that reads it.
    func read<R>(_ body: (OpaquePointer) throws(TLSError) -> R) throws(TLSError) -> R {
        try file.withBytes { bytes throws(TLSError) in
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else {
                throw TLSError("no memory for \(name)")
            }
            defer { BIO_free(bio) }
            return try body(bio)
        }
    }
}
