import Cluster
import MemcacheProtocol

/// What of a command that came from another member has to be known before it is carried out.
extension Request {
    /// `delete`, `md`, or a binary deletion.
    var isDeletion: Bool {
        guard let first = command.first else { return false }
        if first == BinaryHeader.requestMagic {
            return command.count > 1 && (command[1] == 0x04 || command[1] == 0x14)
        }
        return command.starts(with: "delete ".utf8) || command.starts(with: "md ".utf8)
    }

    /// `set`, which takes the place of whatever there is.
    var stores: Bool {
        guard command.first == BinaryHeader.requestMagic else {
            return command.starts(with: "set ".utf8)
        }
        // Unless it is for one CAS unique alone.
        return command.count >= BinaryHeader.byteCount && (command[1] == 0x01 || command[1] == 0x11)
            && command[16..<24].allSatisfy { $0 == 0 }
    }

    /// `add`, of what nobody who is there has, or `ms` that sets or adds.
    var adds: Bool {
        guard command.first != BinaryHeader.requestMagic else {
            return command.count > 1 && (command[1] == 0x02 || command[1] == 0x12)
        }
        if command.starts(with: "add ".utf8) { return true }
        guard command.starts(with: "ms ".utf8) else { return false }
        // Behind the key and the value's length. Of one CAS unique alone, or of what is there, nobody knows.
        let flags = command.prefix { $0 != 13 && $0 != 10 }.split(separator: 32).dropFirst(3)
        return flags.allSatisfy { flag in
            switch flag.first {
            case UInt8(ascii: "C"): false
            case UInt8(ascii: "M"): flag.count == 2 && "SsEe".utf8.contains(flag.last ?? 0)
            default: true
            }
        }
    }
}
