/// What a binary request asks for, its quiet form not told apart.
public enum BinaryCommand: Equatable, Sendable {
    /// `touches`: with a new exptime in the extras.
    case retrieve(showsKey: Bool, touches: Bool)
    case touch
    case store(BinaryStoreVerb)
    case delete
    case arithmetic(increments: Bool)
    case flush
    case noop, version, verbosity, quit
    case stat
    /// SASL: which mechanisms there are.
    case listMechanisms
    /// SASL: a mechanism's first or next word.
    case authenticate
}

public enum BinaryStoreVerb: Equatable, Sendable {
    case set, add, replace, append, prepend
}

extension BinaryCommand {
    /// Of an `authenticate` that is a mechanism's next message; the other one is its first.
    package static let nextStepOpcode: UInt8 = 0x22

    /// The command of an opcode, and whether that is its quiet form; nothing for one that is unknown.
    @inlinable @inline(__always)
    public static func of(_ opcode: UInt8) -> (command: BinaryCommand, isQuiet: Bool)? {
        switch opcode {
        case 0x00: (.retrieve(showsKey: false, touches: false), false)
        case 0x09: (.retrieve(showsKey: false, touches: false), true)
        case 0x0c: (.retrieve(showsKey: true, touches: false), false)
        case 0x0d: (.retrieve(showsKey: true, touches: false), true)
        case 0x1d: (.retrieve(showsKey: false, touches: true), false)
        case 0x1e: (.retrieve(showsKey: false, touches: true), true)
        case 0x23: (.retrieve(showsKey: true, touches: true), false)
        case 0x24: (.retrieve(showsKey: true, touches: true), true)
        case 0x1c: (.touch, false)
        case 0x01: (.store(.set), false)
        case 0x11: (.store(.set), true)
        case 0x02: (.store(.add), false)
        case 0x12: (.store(.add), true)
        case 0x03: (.store(.replace), false)
        case 0x13: (.store(.replace), true)
        case 0x0e: (.store(.append), false)
        case 0x19: (.store(.append), true)
        case 0x0f: (.store(.prepend), false)
        case 0x1a: (.store(.prepend), true)
        default: ofOthers(opcode)
        }
    }

    @usableFromInline
    static func ofOthers(_ opcode: UInt8) -> (command: BinaryCommand, isQuiet: Bool)? {
        switch opcode {
        case 0x04: (.delete, false)
        case 0x14: (.delete, true)
        case 0x05: (.arithmetic(increments: true), false)
        case 0x15: (.arithmetic(increments: true), true)
        case 0x06: (.arithmetic(increments: false), false)
        case 0x16: (.arithmetic(increments: false), true)
        case 0x07: (.quit, false)
        case 0x17: (.quit, true)
        case 0x08: (.flush, false)
        case 0x18: (.flush, true)
        case 0x0a: (.noop, false)
        case 0x0b: (.version, false)
        case 0x10: (.stat, false)
        case 0x1b: (.verbosity, false)
        case 0x20: (.listMechanisms, false)
        case 0x21, 0x22: (.authenticate, false)
        default: nil
        }
    }

    /// What parts a request of the kind must have, and may have.
    @inlinable @inline(__always)
    var shape: Shape {
        switch self {
        case .retrieve(_, touches: false), .delete: Shape(extras: 0, hasKey: true)
        case .retrieve(_, touches: true), .touch: Shape(extras: 4, hasKey: true)
        case .store(.append), .store(.prepend):
            Shape(extras: 0, hasKey: true, mayHaveValue: true)
        case .store: Shape(extras: 8, hasKey: true, mayHaveValue: true)
        case .arithmetic: Shape(extras: 20, hasKey: true)
        case .flush: Shape(extras: 4, mayLackExtras: true, hasKey: false)
        case .verbosity: Shape(extras: 4, hasKey: false)
        case .noop, .version, .quit, .listMechanisms: Shape(extras: 0, hasKey: false)
        case .stat: Shape(extras: 0, hasKey: nil)
        case .authenticate: Shape(extras: 0, hasKey: true, mayHaveValue: true)
        }
    }

    @usableFromInline
    struct Shape {
        @usableFromInline let extras: Int
        @usableFromInline var mayLackExtras = false
        /// Nothing where it may or may not have one.
        @usableFromInline let hasKey: Bool?
        @usableFromInline var mayHaveValue = false

        @inlinable @inline(__always)
        init(
            extras: Int, mayLackExtras: Bool = false, hasKey: Bool?, mayHaveValue: Bool = false
        ) {
            self.extras = extras
            self.mayLackExtras = mayLackExtras
            self.hasKey = hasKey
            self.mayHaveValue = mayHaveValue
        }

        @inlinable @inline(__always)
        func fits(_ header: BinaryHeader) -> Bool {
            guard
                header.extrasByteCount == extras || mayLackExtras && header.extrasByteCount == 0,
                hasKey == nil || hasKey == (header.keyByteCount > 0)
            else { return false }
            return mayHaveValue
                || header.bodyByteCount == header.extrasByteCount + header.keyByteCount
        }
    }
}
