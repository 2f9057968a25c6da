import SessionMap

@testable import CacheNode

/// A flag of a transcript that has no meaning without a process.
struct UnknownFlag: Error {
    var flag: String
}

extension NodeConfiguration {
    /// The configuration that the flags of a transcript ask for: those that the files use.
    init(transcriptFlags flags: [String], knowsDebugtime: Bool) throws {
        self.init()
        self.knowsDebugtime = knowsDebugtime
        var rest = flags[...]
        while let flag = rest.popFirst() {
            switch flag {
            case "-A": self.isShutdownAllowed = true
            case "-C": self.assignsCASUniques = false
            case "-F": self.isFlushAllowed = false
            case "-M": self.evicts = false
            case "-W": self.isWatchAllowed = false
            case "-X": self.isDumpAllowed = false
            default:
                guard let value = rest.popFirst() else { throw UnknownFlag(flag: flag) }
                try set(flag, value)
            }
        }
        // As the executable refuses it.
        guard self.itemByteCountMax <= self.memoryByteCount / 2 else {
            throw UnknownFlag(flag: "-I")
        }
    }

    /// In seconds.
    private mutating func setTimeout(_ option: Substring) -> Bool {
        let parts = option.split(separator: "=")
        guard parts.count == 2, let seconds = UInt32(parts[1]) else { return false }
        switch parts[0] {
        case "idle": self.timeouts.idleSeconds = seconds
        case "absolute": self.timeouts.absoluteSeconds = seconds
        case "exptime_default": self.timeouts.defaultSeconds = seconds
        case "exptime_max": self.timeouts.maxSeconds = seconds
        case "fence": self.fence.seconds = Int(seconds)
        default: return false
        }
        return true
    }

    private mutating func set(_ flag: String, _ value: String) throws {
        let unknown = UnknownFlag(flag: "\(flag) \(value)")
        switch flag {
        case "-B":
            guard let chosen = BindingProtocol(rawValue: value) else { throw unknown }
            self.bindingProtocol = chosen
        case "-D":
            guard let byte = value.utf8.first, value.utf8.count == 1 else { throw unknown }
            self.prefixDelimiter = byte
            self.collectsPrefixDetail = true
        case "-I":
            let unit = value.hasSuffix("m") ? 1 << 20 : value.hasSuffix("k") ? 1 << 10 : 0
            guard unit > 0, let number = Int(value.dropLast()) else { throw unknown }
            self.itemByteCountMax = number * unit
        case "-m":
            guard let number = Int(value) else { throw unknown }
            self.memoryByteCount = number << 20
        case "-R":
            guard let number = Int(value) else { throw unknown }
            self.commandsPerTurn = number
        case "-o":
            for option in value.split(separator: ",") {
                switch option {
                case "classic_exptime": self.exptimeRule = .classic
                case "debugtime": self.knowsDebugtime = true
                case "track_sizes": self.tracksSizes = true
                case "show_keys": self.showsKeys = true
                case "no_lru_crawler": self.isCrawlerEnabled = false
                case _ where setTimeout(option): break
                default:
                    guard tuning.take(option: String(option), nil) else { throw unknown }
                }
            }
        default: throw unknown
        }
    }
}
