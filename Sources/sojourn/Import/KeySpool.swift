import Glibc

/// The keys that were listed, in a file: a hundred million of them need not fit memory, and an interrupted run goes on with them.
///
/// Each as 2 bytes for its server, 8 for when it expires, 4 for its length, and itself.
final class KeySpool {
    private let file: UnsafeMutablePointer<FILE>
    private let path: String?

    static let keyByteCountMax = 65_535
    private static let headByteCount = 14

    /// - Parameters:
    ///   - path: nothing for a file that nobody else can see, and that goes with this one.
    ///   - isNew: whether what is in it is dropped.
    init(_ path: String?, isNew: Bool) throws {
        self.path = path
        let file: UnsafeMutablePointer<FILE>?
        if let path {
            file = fopen(path, isNew ? "w+" : "r+")
            // Whoever has a session's key is logged in.
            if file != nil { chmod(path, 0o600) }
        } else {
            file = tmpfile()
        }
        guard let file else {
            throw MovingTrouble(
                "\(path ?? "a temporary file"): \(String(cString: strerror(errno)))")
        }
        self.file = file
    }

    deinit { fclose(file) }

    func append(_ key: ListedKey) throws {
        var head = [UInt8](repeating: 0, count: Self.headByteCount)
        let time: Int64 =
            switch key.time {
            case .unknown: 0
            case .never: -1
            case .at(let seconds): seconds
            }
        head.withUnsafeMutableBytes {
            $0.storeBytes(of: UInt16(clamping: key.server).littleEndian, as: UInt16.self)
            $0.storeBytes(of: time.littleEndian, toByteOffset: 2, as: Int64.self)
            $0.storeBytes(of: UInt32(key.key.count).littleEndian, toByteOffset: 10, as: UInt32.self)
        }
        guard fwrite(head, 1, head.count, file) == head.count,
            fwrite(key.key, 1, key.key.count, file) == key.key.count
        else { throw trouble() }
    }

    /// What was appended is in the file.
    func flush() throws { guard fflush(file) == 0 else { throw trouble() } }

    func seek(to offset: Int) throws {
        guard fseek(file, offset, SEEK_SET) == 0 else { throw trouble() }
    }

    func seekToEnd() throws { guard fseek(file, 0, SEEK_END) == 0 else { throw trouble() } }

    var offset: Int { ftell(file) }

    /// The next key; nothing at the end.
    func next() throws -> ListedKey? {
        var head = [UInt8](repeating: 0, count: Self.headByteCount)
        let count = fread(&head, 1, head.count, file)
        // A list that was interrupted may end in the middle of a key.
        guard count == head.count else { return nil }
        let (server, time, length) = head.withUnsafeBytes {
            (
                UInt16(littleEndian: $0.loadUnaligned(as: UInt16.self)),
                Int64(littleEndian: $0.loadUnaligned(fromByteOffset: 2, as: Int64.self)),
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 10, as: UInt32.self))
            )
        }
        guard length <= Self.keyByteCountMax else { throw damage() }
        var key = [UInt8](repeating: 0, count: Int(length))
        guard fread(&key, 1, key.count, file) == key.count else { return nil }
        return ListedKey(
            server: Int(server), key: key,
            time: time == 0 ? .unknown : time < 0 ? .never : .at(time))
    }

    private func trouble() -> MovingTrouble {
        MovingTrouble("\(path ?? "a temporary file"): \(String(cString: strerror(errno)))")
    }

    private func damage() -> MovingTrouble {
        MovingTrouble(
            "\(path ?? "the list of keys") is damaged: remove it and the state file to begin anew")
    }
}
