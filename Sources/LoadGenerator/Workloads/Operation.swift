/// What a load does, by the names its table has. Each is one command of the protocol.
package enum Operation: Int, CaseIterable, Sendable, BitwiseCopyable {
    case get, set, touch
    /// The sliding read: `gat`, or `mg` with `v` and `T`.
    case gat
    case delete
    /// A person's page view, which is a sliding read.
    case view
    /// A person's session with another value: the cart.
    case save
    case login, logout
    /// A read with the cookie from before the logout.
    case oldCookie
    /// A session that a bot was given.
    case botSet
    case botRead, botDelete
    /// What comes back as it is, from `sojourn echo`.
    case echo

    package var name: String {
        switch self {
        case .oldCookie: "old cookie"
        case .botSet: "bot set"
        case .botRead: "bot read"
        case .botDelete: "bot delete"
        default: "\(self)"
        }
    }

    var verb: Verb {
        switch self {
        case .get, .oldCookie, .botRead: .get
        case .gat, .view: .gat
        case .set, .save, .login, .botSet: .set
        case .delete, .logout, .botDelete: .delete
        case .touch: .touch
        case .echo: .echo
        }
    }
}

/// The command that carries an operation out.
enum Verb: UInt8, Sendable {
    case get, gat, touch, set, delete, echo
    /// `mn`, behind quiet commands; no operation of its own.
    case noop
}

package enum WireProtocol: String, CaseIterable, Sendable {
    case text, meta, echo
}

/// One key of a request, and what the load knows of it.
struct Asked {
    var key: UInt64
    /// The key's place with whoever drew it.
    var place = 0
    var revision: UInt32 = 0
    var presence = Presence.unknown
}

/// Until when an item must be there.
struct Presence: Equatable {
    /// In seconds of the load's clock, which begins at 2.
    private let second: UInt32

    /// Deleted: a hit is wrong.
    static let absent = Presence(second: 0)
    /// Both are right.
    static let unknown = Presence(second: 1)
    static let always = Presence(second: .max)

    private init(second: UInt32) { self.second = second }

    /// What a store or a touch at `now` promises. memcached's items live for more than `exptime` - 1
    /// seconds.
    init(exptime: Int32, now: UInt32) {
        guard exptime != 0 else {
            self = .always
            return
        }
        second = exptime < 1 ? 1 : now &+ UInt32(exptime) - 1
    }

    /// What a touch at `now` makes of it. Whether there was something to touch, is not known of an
    /// item whose time may have come.
    func renewed(exptime: Int32, now: UInt32) -> Presence {
        if self == .absent { return .absent }
        return isCertain(at: now) ? Presence(exptime: exptime, now: now) : .unknown
    }

    func isCertain(at now: UInt32) -> Bool { now < second }
}

/// A request as a workload draws it; its keys are with `AskedKeys`.
struct Request {
    var operation: Operation
    var exptime: Int32 = 0
    var isQuiet = false
}
