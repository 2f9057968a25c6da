// Where the fields of extents and items are: the drawing stands at `Region`.

extension Region.Field where Place == Extent {
    static var lengthAndKind: Self { Self(offset: 0) }
    static var link: Self { Self(offset: 4, bits: 27) }
    static var freePrevious: Self { Self(offset: 8) }
}

extension Region.Field where Place == Item {
    static var hasClientFlags: Self { Self(offset: 4, shift: 27, bits: 1) }
    static var hasEncodedKey: Self { Self(offset: 4, shift: 28, bits: 1) }
    static var epoch: Self { Self(offset: 4, shift: 29, bits: 3) }
    /// All of the word but the link.
    static var shape: Self { Self(offset: 4, shift: 27, bits: 5) }
    static var recencyNext: Self { Self(offset: 16) }
    static var recencyPrevious: Self { Self(offset: 20) }
    static var wheelNext: Self { Self(offset: 24) }
    static var wheelPrevious: Self { Self(offset: 28) }
    static var accessed: Self { Self(offset: 32, bits: 24) }
    static var keyByteCount: Self { Self(offset: 32, shift: 24, bits: 8) }
    static var valueByteCount: Self { Self(offset: 36, bits: 28) }
    static var marks: Self { Self(offset: 36, shift: 28, bits: 4) }
    static var deadline: Self { Self(offset: 40) }
    static var checksum: Self { Self(offset: Region.checksumOffset) }
}
