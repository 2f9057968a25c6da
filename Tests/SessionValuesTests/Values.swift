import TestSupport
import Testing

@testable import SessionValues

/// Calls `body` with bytes that lie in pieces, each in memory of its own.
func withPieces<R>(
    _ bytes: [UInt8], _ cuts: Cuts, _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> R
) -> R {
    var start = 0
    let pieces = cuts.lengths(of: bytes.count).map { length in
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
        piece.copyBytes(from: bytes[start..<start + length])
        start += length
        return UnsafeRawBufferPointer(piece)
    }
    defer { for piece in pieces { piece.deallocate() } }
    return pieces.withUnsafeBufferPointer(body)
}

/// What a rule finds, in words.
func found(
    _ rule: String, in bytes: [UInt8], key: String = "key", clientFlags: UInt32 = 0,
    cuts: Cuts = .whole
) throws -> String {
    var finder = UserFinder(try UserRule(rule))
    return found(by: &finder, in: bytes, key: key, clientFlags: clientFlags, cuts: cuts)
}

func found(
    by finder: inout UserFinder, in bytes: [UInt8], key: String = "key", clientFlags: UInt32 = 0,
    cuts: Cuts = .whole
) -> String {
    withPieces(bytes, cuts) { pieces in
        Array(key.utf8).withUnsafeBytes { key in
            switch finder.find(in: pieces, key: key, clientFlags: clientFlags) {
            case .user: String(decoding: finder.user, as: UTF8.self)
            case .none: "-"
            case .unreadable(let trouble): "!\(trouble.name)"
            }
        }
    }
}

func found(_ rule: String, in text: String) throws -> String {
    try found(rule, in: Array(text.utf8))
}

/// One that was made by the language whose it is, see `Samples`.
func sample(_ name: String) throws -> [UInt8] {
    let folder =
        "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Samples"
    return try #require(contentBytes(of: "\(folder)/\(name).bin"), "no sample \(name)")
}
