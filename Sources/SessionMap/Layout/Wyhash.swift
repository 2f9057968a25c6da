/// What `KeyHash` and `ItemChecksum` are made of: the numbers and the step of wyhash's final version (public
/// domain, github.com/wangyi-fudan/wyhash).
enum Wyhash {
    static let secret0: UInt64 = 0x2d35_8dcc_aa6c_78a5
    static let secret1: UInt64 = 0x8bb8_4b93_962e_acc9
    static let secret2: UInt64 = 0x4b33_a62e_d433_d4a3
    static let secret3: UInt64 = 0x4d5a_2da5_1de1_aa47

    @inline(__always)
    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
