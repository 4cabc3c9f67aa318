// Clock at up to 160 MHz: MSI, PLL1, voltage range 1 with its booster, switched regulator (RM0456
// sections 7.3.3, 10.5.4 and 11.4).
#include "clock.hpp"

#include "clock_steps.hpp"
#include "family.hpp"

namespace board {
namespace {

using namespace stm32;

constexpr uint32_t kWakeUpHz = 4'000'000;  // MSI, after reset
static_assert(config::kSourceHz == kWakeUpHz, "another oscillator needs code to start it");
// The booster and the PLL take 4 to 16 MHz; at 4 MHz neither divides nor selects a higher range.
static_assert(config::kSourceHz / config::kPllM >= 4'000'000);
constexpr uint32_t kUpperInputRange = config::kSourceHz / config::kPllM > 8'000'000 ? 3 : 0;

// The booster takes the PLL's input, so the PLL's source comes first (section 10.5.4).
bool raise_voltage() {
    set_bits(pwr().cr3, Pwr::kSwitchedRegulator);
    if (!wait_until(pwr().svmsr, Pwr::kSwitchedRegulator, Pwr::kSwitchedRegulator)) {
        return false;
    }
    set_bits(pwr().vosr, Pwr::kScale1);
    if (!wait_until(pwr().vosr, Pwr::kScaleReady, Pwr::kScaleReady)) {
        return false;
    }
    set_bits(pwr().vosr, Pwr::kBooster);
    return wait_until(pwr().vosr, Pwr::kBoosterReady, Pwr::kBoosterReady);
}

void configure_pll() {
    rcc().pll1cfgr = Rcc::kPllSourceMsi | (kUpperInputRange << 2) | ((config::kPllM - 1) << 8) |
                     Rcc::kPllEnableR;
    rcc().pll1divr = (config::kPllN - 1) | ((config::kPllDivider - 1) << 24);
}

bool switch_to(uint32_t source) {
    replace_bits(rcc().cfgr1, Rcc::kSwitchMask, source);
    return wait_until(rcc().cfgr1, Rcc::kSwitchMask << Rcc::kSwitchStatusShift,
                      source << Rcc::kSwitchStatusShift);
}

ClockStatus run_from_pll() {
    set_bits(rcc().cr, Rcc::kMsiOn);
    if (!wait_until(rcc().cr, Rcc::kMsiReady, Rcc::kMsiReady)) {
        return ClockStatus::kSourceDidNotStart;
    }
    configure_pll();
    if (!raise_voltage()) {
        return ClockStatus::kVoltageScaleFailed;
    }
    flash().acr = config::kFlashWaitStates | Flash::kPrefetch;
    if (!wait_until(flash().acr, Flash::kLatencyMask, config::kFlashWaitStates)) {
        return ClockStatus::kFlashWaitStatesRefused;
    }
    set_bits(rcc().cr, Rcc::kPllOn);
    if (!wait_until(rcc().cr, Rcc::kPllReady, Rcc::kPllReady)) {
        return ClockStatus::kPllDidNotLock;
    }
    rcc().cfgr2 = ahb_field(config::kAhbDivider) | (apb_field(config::kApb1Divider) << 4) |
                  (apb_field(config::kApb2Divider) << 8);
    return switch_to(Rcc::kSwitchPll) ? ClockStatus::kOk : ClockStatus::kSwitchFailed;
}

}  // namespace

ClockTree start_clock() {
    set_bits(rcc().ahb3enr, Rcc::kPower);
    read_back(rcc().ahb3enr);
    const ClockStatus status = run_from_pll();
    if (status == ClockStatus::kOk) {
        return {status, kAhbHz, kApb1Hz, kApb2Hz};
    }
    switch_to(Rcc::kSwitchMsi);
    rcc().cfgr2 = 0;
    clear_bits(rcc().cr, Rcc::kPllOn);
    return {status, kWakeUpHz, kWakeUpHz, kWakeUpHz};
}

}  // namespace board
