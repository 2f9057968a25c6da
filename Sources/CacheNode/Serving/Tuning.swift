import MemcacheProtocol

/// Settings of memcached's machinery, as the command line or an operator left them.
///
/// They are taken, answered and shown in `stats settings`, because tools and scripts send and read
/// them. None has an effect: there are no slabs to move, no LRU segments and no crawler's sweep here.
package struct Tuning: Equatable, Sendable {
    /// `-f` and `-n`.
    package var growthFactor = 1.25
    package var chunkByteCount = 48
    package var hasMaintainer = true
    package var reassignsSlabs = true
    var hotPercent: UInt32 = 20
    var warmPercent: UInt32 = 40
    var hotFactor = 0.2
    var warmFactor = 2.0
    var isSegmented = true
    var isTemporaryOn = false
    var temporaryTTL: Int32 = 61
    var automove: UInt32 = 1
    var automoveWindow: UInt32 = 10
    var automoveRatio = 0.8
    var automoveFreeRatio = 0.01
    var crawlerSleepMicroseconds: UInt32 = 100
    var crawlerItemCount: UInt32 = 0

    package init() {}

    /// Slab classes that memcached has by default; 0 is its pool of free pages.
    static let slabClasses: ClosedRange<Int32> = 0...39

    /// Takes a suboption of `-o`; false when it is none of these, or its value is not a number.
    package mutating func take(option name: String, _ value: String?) -> Bool {
        switch (name, value) {
        case ("lru_maintainer", nil): hasMaintainer = true
        case ("no_lru_maintainer", nil): hasMaintainer = false
        case ("slab_reassign", nil): reassignsSlabs = true
        case ("no_slab_reassign", nil): reassignsSlabs = false
        case ("lru_crawler_sleep", let value?):
            return Self.take(value, into: &crawlerSleepMicroseconds)
        case ("lru_crawler_tocrawl", let value?): return Self.take(value, into: &crawlerItemCount)
        case ("hot_lru_pct", let value?): return Self.take(value, into: &hotPercent)
        case ("warm_lru_pct", let value?): return Self.take(value, into: &warmPercent)
        case ("hot_max_factor", let value?): return Self.take(value, into: &hotFactor)
        case ("warm_max_factor", let value?): return Self.take(value, into: &warmFactor)
        case ("temporary_ttl", let value?):
            isTemporaryOn = true
            return Self.take(value, into: &temporaryTTL)
        case ("slab_automove", let value?): return Self.take(value, into: &automove)
        case ("slab_automove_window", let value?): return Self.take(value, into: &automoveWindow)
        case ("slab_automove_ratio", let value?): return Self.take(value, into: &automoveRatio)
        case ("slab_automove_freeratio", let value?):
            return Self.take(value, into: &automoveFreeRatio)
        default: return false
        }
        return true
    }

    private static func take<Number: LosslessStringConvertible>(
        _ text: String, into number: inout Number
    ) -> Bool {
        guard let value = Number(text) else { return false }
        number = value
        return true
    }

    /// False when memcached would not take it, as it is set up.
    mutating func apply(_ setting: OperatorSetting) -> Bool {
        switch setting {
        case .segments(let hotPercent, let warmPercent, let hotFactor, let warmFactor):
            self.hotPercent = hotPercent
            self.warmPercent = warmPercent
            self.hotFactor = hotFactor
            self.warmFactor = warmFactor
        case .isSegmented(let value):
            guard hasMaintainer else { return false }
            isSegmented = value
        case .temporaryTTL(let seconds):
            guard hasMaintainer else { return false }
            isTemporaryOn = seconds >= 0
            if seconds >= 0 { temporaryTTL = seconds }
        case .automove(let level): automove = level
        case .automoveWindow(let seconds): automoveWindow = seconds
        case .automoveRatio(let ratio): automoveRatio = ratio
        case .automoveFreeRatio(let ratio): automoveFreeRatio = ratio
        case .crawlerSleepMicroseconds(let microseconds): crawlerSleepMicroseconds = microseconds
        case .crawlerItemCount(let count): crawlerItemCount = count
        }
        return true
    }

    /// What memcached answers: no class has a page to spare here.
    func reassign(source: Int32, target: Int32) -> OperatorReply {
        guard reassignsSlabs else { return .reassignDisabled }
        guard source != target else { return .reassignSame }
        guard Self.slabClasses.contains(source), Self.slabClasses.contains(target) else {
            return .reassignBadClass
        }
        return .reassignNoSpare
    }
}
