/// What a client's socket does, and what it waits for.
///
/// Two things come and go by themselves: replies that the peer does not take (*blocked*), and commands
/// that are in the input and had no turn yet (*yielded*). Two are for good: a watcher's peer has ended
/// its sending and is told what happens until it has gone (*telling*), and the conversation is over, but
/// replies are owed (*closing*).
///
///                       stuck           drained   yields          resumes   halfCloses      ends
///     serving           blocked         .         yielded         .         telling         closing
///     yielded           blockedYielded  .         .               serving   telling         closing
///     blocked           .               serving   blockedYielded  .         tellingBlocked  closing
///     blockedYielded    .               yielded   .               blocked   tellingBlocked  closing
///     telling           tellingBlocked  .         .               .         .               closing
///     tellingBlocked    .               telling   .               .         .               closing
///     closing           .               .         .               .         .               .
///
/// A point is the state as it was. A watcher that has taken a rest goes on all the same: it reads nothing,
/// so there is nothing to be kept from.
enum SocketState: Equatable {
    case serving, yielded, blocked, blockedYielded
    case telling, tellingBlocked
    case closing(CloseReason)

    enum Event {
        /// The peer has not taken all that it was sent.
        case stuck
        /// It has.
        case drained
        /// There is more to execute, and others come first.
        case yields
        /// Its next turn has come.
        case resumes
        /// The peer of a watcher has ended its sending.
        case halfCloses
        /// The conversation is over, and replies are owed.
        case ends(CloseReason)
    }

    @inline(__always)
    mutating func note(_ event: Event) { self = after(event) }

    /// The table above.
    @inline(__always)
    func after(_ event: Event) -> SocketState {
        switch (self, event) {
        case (.closing, _): self
        case (_, .ends(let reason)): .closing(reason)
        case (.serving, .stuck), (.blockedYielded, .resumes): .blocked
        case (.yielded, .stuck), (.blocked, .yields): .blockedYielded
        case (.blocked, .drained), (.yielded, .resumes): .serving
        case (.serving, .yields), (.blockedYielded, .drained): .yielded
        case (.serving, .halfCloses), (.yielded, .halfCloses): .telling
        case (.blocked, .halfCloses), (.blockedYielded, .halfCloses): .tellingBlocked
        case (.telling, .stuck): .tellingBlocked
        case (.tellingBlocked, .drained): .telling
        default: self
        }
    }

    /// Replies wait for the peer to read.
    @inline(__always)
    var isBlocked: Bool {
        switch self {
        case .blocked, .blockedYielded, .tellingBlocked, .closing: true
        case .serving, .yielded, .telling: false
        }
    }

    /// Commands are in the input, or a watcher's lines wait, that had no turn.
    var hasYielded: Bool {
        switch self {
        case .yielded, .blockedYielded: true
        case .serving, .blocked, .telling, .tellingBlocked, .closing: false
        }
    }

    var isTelling: Bool { self == .telling || self == .tellingBlocked }

    /// What has been received may be executed.
    @inline(__always)
    var mayRun: Bool {
        switch self {
        case .serving, .blocked, .telling, .tellingBlocked: true
        case .yielded, .blockedYielded, .closing: false
        }
    }
}
