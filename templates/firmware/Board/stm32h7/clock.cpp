// Clock at up to 400 MHz: HSE, PLL1, voltage scale 1 (RM0433 sections 4.3, 6.6 and 8.5). Scale 0,
// which 480 MHz needs, exists on revision V only.
#include "clock.hpp"

#include "clock_steps.hpp"
#include "family.hpp"

namespace board {
namespace {

using namespace stm32;

constexpr uint32_t kHsiHz = 64'000'000;

// Input range of the PLL in pllcfgr: 0 from 1 MHz, 1 from 2 MHz, 2 from 4 MHz, 3 from 8 MHz.
constexpr uint32_t input_range(uint32_t input_hz) {
    return input_hz < 2'000'000 ? 0 : input_hz < 4'000'000 ? 1 : input_hz < 8'000'000 ? 2 : 3;
}

// Programming delay that belongs to a bus clock (section 4.3.9).
constexpr uint32_t programming_delay(uint32_t ahb_hz) {
    return ahb_hz <= 70'000'000 ? 0 : ahb_hz <= 185'000'000 ? 1 : 2;
}

constexpr uint32_t kFlashFields =
    config::kFlashWaitStates | (programming_delay(kAhbHz) << Flash::kProgrammingDelayShift);

bool start_hse() {
    set_bits(rcc().cr, config::kHseBypass ? Rcc::kHseOn | Rcc::kHseBypass : Rcc::kHseOn);
    return wait_until(rcc().cr, Rcc::kHseReady, Rcc::kHseReady);
}

// The supply is written once after power-on; until then the core may not leave its first clock.
bool raise_voltage() {
    replace_bits(pwr().cr3, Pwr::kSupplyMask, Pwr::kSupplyFromLdo);
    if (!wait_until(pwr().csr1, Pwr::kScaleReady, Pwr::kScaleReady)) {
        return false;
    }
    replace_bits(pwr().d3cr, Pwr::kScaleMask, Pwr::kScale1);
    return wait_until(pwr().d3cr, Pwr::kScaleReady, Pwr::kScaleReady);
}

void configure_pll() {
    rcc().pllckselr = Rcc::kPllSourceHse | (config::kPllM << 4);
    rcc().pllcfgr = (input_range(config::kSourceHz / config::kPllM) << Rcc::kPll1InputRangeShift) |
                    Rcc::kPll1EnableP;
    rcc().pll1divr = (config::kPllN - 1) | ((config::kPllDivider - 1) << 9);
}

// Bus dividers; the core keeps the undivided clock. All four peripheral buses run alike, but for
// the two that UARTs count with.
void set_dividers() {
    rcc().d1cfgr = ahb_field(config::kAhbDivider) | (apb_field(config::kApb1Divider) << 4);
    rcc().d2cfgr = (apb_field(config::kApb1Divider) << 4) | (apb_field(config::kApb2Divider) << 8);
    rcc().d3cfgr = apb_field(config::kApb1Divider) << 4;
}

bool switch_to(uint32_t source) {
    replace_bits(rcc().cfgr, Rcc::kSwitchMask, source);
    return wait_until(rcc().cfgr, Rcc::kSwitchMask << Rcc::kSwitchStatusShift,
                      source << Rcc::kSwitchStatusShift);
}

ClockStatus run_from_pll() {
    if (!start_hse()) {
        return ClockStatus::kSourceDidNotStart;
    }
    if (!raise_voltage()) {
        return ClockStatus::kVoltageScaleFailed;
    }
    configure_pll();
    set_bits(rcc().cr, Rcc::kPllOn);
    if (!wait_until(rcc().cr, Rcc::kPllReady, Rcc::kPllReady)) {
        return ClockStatus::kPllDidNotLock;
    }
    flash().acr = kFlashFields;
    if (!wait_until(flash().acr, Flash::kLatencyMask, config::kFlashWaitStates)) {
        return ClockStatus::kFlashWaitStatesRefused;
    }
    set_dividers();
    return switch_to(Rcc::kSwitchPll) ? ClockStatus::kOk : ClockStatus::kSwitchFailed;
}

}  // namespace

ClockTree start_clock() {
    const ClockStatus status = run_from_pll();
    if (status == ClockStatus::kOk) {
        return {status, config::kSysclkHz, kApb1Hz, kApb2Hz};
    }
    switch_to(Rcc::kSwitchHsi);
    rcc().d1cfgr = 0;
    rcc().d2cfgr = 0;
    rcc().d3cfgr = 0;
    clear_bits(rcc().cr, Rcc::kPllOn | Rcc::kHseOn);
    return {status, kHsiHz, kHsiHz, kHsiHz};
}

}  // namespace board
