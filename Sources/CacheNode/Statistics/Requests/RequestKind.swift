import MemcacheProtocol

/// In which of the three languages a request was worded.
enum RequestProtocol: String, CaseIterable, Sendable {
    case text, meta, binary
}

/// What requests have in common that take about as long as each other.
enum RequestFamily: String, CaseIterable, Sendable {
    /// All that show a value, `gat` among them.
    case get
    /// All that bring a value.
    case set
    case touch
    case delete
    /// Numbers that are counted, and everything that is about no item.
    case other
}

/// A command in one of the protocols, as requests are counted: quiet forms and such with keys are not told apart.
enum RequestKind: UInt8, CaseIterable, Sendable {
    // In this order: what a retrieval asks for is added up, see `TextRetrieval`.
    case textGet, textGets, textGat, textGats
    case textTouch, textSet, textAdd, textReplace, textAppend, textPrepend, textCas, textDelete
    case textIncr, textDecr, textOther
    case metaGet, metaSet, metaDelete, metaArithmetic, metaDebug, metaNoop
    case binaryGet, binaryGat, binaryTouch, binarySet, binaryAdd, binaryReplace, binaryAppend
    case binaryPrepend, binaryDelete, binaryIncr, binaryDecr, binaryOther

    var requestProtocol: RequestProtocol {
        if rawValue <= Self.textOther.rawValue { return .text }
        return rawValue <= Self.metaNoop.rawValue ? .meta : .binary
    }

    var family: RequestFamily {
        switch self {
        case .textGet, .textGets, .textGat, .textGats, .metaGet, .binaryGet, .binaryGat: .get
        case .textSet, .textAdd, .textReplace, .textAppend, .textPrepend, .textCas, .metaSet,
            .binarySet, .binaryAdd, .binaryReplace, .binaryAppend, .binaryPrepend:
            .set
        case .textTouch, .binaryTouch: .touch
        case .textDelete, .metaDelete, .binaryDelete: .delete
        case .textIncr, .textDecr, .textOther, .metaArithmetic, .metaDebug, .metaNoop,
            .binaryIncr, .binaryDecr, .binaryOther:
            .other
        }
    }

    /// The protocol's word for it.
    var command: String {
        switch self {
        case .metaGet: "mg"
        case .metaSet: "ms"
        case .metaDelete: "md"
        case .metaArithmetic: "ma"
        case .metaDebug: "me"
        case .metaNoop: "mn"
        default: "\(self)".dropFirst(requestProtocol.rawValue.count).lowercased()
        }
    }

    /// Of requests that are timed together: the place of a protocol's family.
    var timedPlace: Int { Self.timedPlace(requestProtocol, family) }

    static func timedPlace(_ requestProtocol: RequestProtocol, _ family: RequestFamily) -> Int {
        let protocolPlace = RequestProtocol.allCases.firstIndex(of: requestProtocol) ?? 0
        let familyPlace = RequestFamily.allCases.firstIndex(of: family) ?? 0
        return protocolPlace * RequestFamily.allCases.count + familyPlace
    }

    static let timedPlaceCount = RequestProtocol.allCases.count * RequestFamily.allCases.count
}

extension RequestKind {
    /// A retrieval's, by what it asks for besides the value.
    @inline(__always)
    static func retrieval(showsCASUnique: Bool, touches: Bool) -> RequestKind {
        if touches { return showsCASUnique ? .textGats : .textGat }
        return showsCASUnique ? .textGets : .textGet
    }

    @inline(__always)
    init(_ verb: StoreHeader.Verb) {
        switch verb {
        case .set: self = .textSet
        case .add: self = .textAdd
        case .replace: self = .textReplace
        case .append: self = .textAppend
        case .prepend: self = .textPrepend
        case .cas: self = .textCas
        }
    }

    @inline(__always)
    init(_ verb: MetaVerb) {
        switch verb {
        case .get: self = .metaGet
        case .set: self = .metaSet
        case .delete: self = .metaDelete
        case .arithmetic: self = .metaArithmetic
        case .debug: self = .metaDebug
        }
    }

    /// That of a command that is one line.
    init(_ command: Command) {
        switch command {
        case .delete: self = .textDelete
        case .touch: self = .textTouch
        case .arithmetic(_, _, let increments, _): self = increments ? .textIncr : .textDecr
        case .noop: self = .metaNoop
        case .retrieve(let retrieval):
            self = .retrieval(
                showsCASUnique: retrieval.showsCASUnique, touches: retrieval.exptime != nil)
        case .store(let header): self.init(header.verb)
        case .meta(let verb): self.init(verb)
        default: self = .textOther
        }
    }

    @inline(__always)
    init(_ command: BinaryCommand) {
        switch command {
        case .retrieve(_, let touches): self = touches ? .binaryGat : .binaryGet
        case .store(let verb):
            switch verb {
            case .set: self = .binarySet
            case .add: self = .binaryAdd
            case .replace: self = .binaryReplace
            case .append: self = .binaryAppend
            case .prepend: self = .binaryPrepend
            }
        case .touch: self = .binaryTouch
        case .delete: self = .binaryDelete
        case .arithmetic(let increments): self = increments ? .binaryIncr : .binaryDecr
        case .flush, .noop, .version, .verbosity, .quit, .stat, .listMechanisms, .authenticate:
            self = .binaryOther
        }
    }

    /// That of a command which is there as a whole, as one is that others carry out.
    init(_ bytes: [UInt8], knowsDebugtime: Bool) {
        if bytes.first == BinaryHeader.requestMagic {
            let command = bytes.count > 1 ? BinaryCommand.of(bytes[1])?.command : nil
            self = command.map { RequestKind($0) } ?? .binaryOther
            return
        }
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        var line = Array(bytes[..<end])
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        self.init(CommandParser.parse(line.span, knowsDebugtime: knowsDebugtime))
    }
}
